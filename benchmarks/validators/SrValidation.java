import com.pixelmed.validate.DicomSRValidator;
import java.nio.file.Files;
import java.nio.file.Path;

/** Validates the structured reports that a file lists with PixelMed, whose rules are compiled once: they take seconds. */
public class SrValidation {
    public static void main(String[] arguments) throws Exception {
        DicomSRValidator validator = new DicomSRValidator();
        for (String report : Files.readAllLines(Path.of(arguments[0]))) {
            System.out.println("== " + report);
            System.out.println(validator.validate(report));
        }
    }
}

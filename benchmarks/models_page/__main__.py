"""Write the page of models: ``python -m benchmarks.models_page docs/models.md``."""

import sys

from benchmarks.models_page.page import main

sys.exit(main())

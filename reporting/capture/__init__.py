"""Secondary captures: the findings, or a score map, drawn over the radiograph."""

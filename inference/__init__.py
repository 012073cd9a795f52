"""From a stored instance to findings: eligibility, pixels, engines, model packages, the worker."""

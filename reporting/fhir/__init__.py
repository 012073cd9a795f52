"""FHIR R4: the result as a transaction Bundle, and the server that it goes to.

Built with the R4B models of ``fhir.resources``: the resources that are used here are the same in R4 (4.0.1) and R4B.
"""

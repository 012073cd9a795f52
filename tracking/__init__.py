"""The SQL database: studies, instances, analyses, documents, deliveries, the work queue and the audit log.

The only room that knows SQL. Every change of state and its audit row are one transaction.
"""

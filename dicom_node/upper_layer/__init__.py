"""PS3.8 and the messages that it carries: connections, bounded PDUs, who may open an association, its contexts."""

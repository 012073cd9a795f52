"""The web pages: worklist, study, audit log, destinations. They show; nothing here can change a state."""

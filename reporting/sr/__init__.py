"""The structured report: what an analysis says as a tree of coded content items (PS3.16, TID 1500)."""

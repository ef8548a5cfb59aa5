"""What users would pick instead of the importer, doing the same as quickly as it can."""

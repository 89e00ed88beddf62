"""What became of a patient, by the Utstein template."""

"""What became of a patient (Utstein template)."""

"""What is known of one machine: a file for each subject, read in one script."""

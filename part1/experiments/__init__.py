"""What a student may skip: the experiments behind the report's answers, each with its plot."""

"""What tells people: occurrences become incidents, incidents messages, messages deliveries to sinks."""

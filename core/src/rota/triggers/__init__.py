"""What starts flows: schedules, ends of other flows, polls, webhooks, backfills; one evaluator among all servers."""

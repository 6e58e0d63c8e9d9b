"""What LocalStack needs to run without Docker. LocalStack finds it by the entry points of the dist-info folder beside it."""

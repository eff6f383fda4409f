"""From a policy file to the frozen values that the rest runs on; every mistake is told with its file and line."""

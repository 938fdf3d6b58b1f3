"""The restore wizard: source, recovery point, key, target, plan. One page, one screen."""

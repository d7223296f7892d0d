"""The predictors, one file a family; importing a file registers them."""

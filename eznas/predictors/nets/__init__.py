"""Networks in torch that predict accuracies; ``eznas.predictors.models`` registers them."""

"""Programs that eznas evolved; ``experiments/README.md`` describes the runs and their figures."""

from __future__ import annotations

from eznas.measures.registry import register_program

register_program(
    "evolved_nb201",
    "evolved with experiments/nasbench201_cifar10.toml, seed 1, without screening",
    "mul(l2_norm(square(exp(sub(effective_rank(input_grad.data), safe_div(lp_norm(maximum(l2_over_samples("
    "conv_in_grad.perturbed), relu(conv_in_grad.loss)), 3), l1(image.noise)))))), "
    "std(mul(count_positive(weight_grad.noise), sqrt(stable_rank(weight_grad.loss)))))",
    reference="tau .790 with the CIFAR-10 test accuracy of the package analog-nasbench on 200 architectures of "
    "NAS-Bench-201 held out from "
    "its evolution; not tried on other search spaces",
)

register_program(
    "evolved_general",
    "evolved with experiments/campaign.toml on seven tasks of six search spaces",
    "add(sum(sum_abs(mul(conv_out.data, conv_out_grad.loss))), maximum(mul(sub(measure.near, "
    "last(nuclear_norm(normalize(conv_in.data)))), mul(add(median(entropy(weight_grad.loss)), sub(measure.depth, "
    "first(frobenius_norm(weight_grad.loss)))), "
    "div(square(minimum(log_sum(sum_abs(mean_over_channels(std_over_channels(sigmoid(conv_out.perturbed))))), "
    "measure.meco)), add(last(effective_rank(norm_out_grad.loss)), "
    "maximum(sum(stable_rank(correlation(l2_over_channels(conv_in.data)))), "
    "median(nuclear_norm(weight_grad.loss))))))), sum(nuclear_norm(normalize(conv_in.data)))))",
    reference="tau with the accuracies of networks that its evolution did not see: .727 on NAS-Bench-201 and .771 on "
    "NATS-Bench's size space (300 each), .748 on NAS-Bench-Macro, .693 on random DARTS cells and .587 on NAS-Bench-101 "
    "(150 each), .559 on TransNAS-Bench-101 micro (60); no other search space was tried",
)

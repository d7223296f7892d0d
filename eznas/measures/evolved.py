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
    "the formula that experiments/campaign.toml chose, on seven tasks of six search spaces",
    "add(add(add(add(add(add(scale(log1p(relu(measure.near)), 0.7859), scale(first(sum_abs(mul(weight, "
    "weight_grad.loss))), -0.006221)), add(scale(sqrt(relu(max(nuclear_norm(normalize(conv_in.data))))), "
    "0.1253), scale(measure.depth, 0.044))), add(add(scale(log1p(relu(median(sum_abs(weight)))), 0.6579), "
    "scale(mean(nuclear_norm(weight)), -0.03362)), "
    "add(scale(sqrt(relu(mean(stable_rank(correlation(l2_over_channels(conv_in.data)))))), -3.408), "
    "scale(mean_abs_difference(effective_rank(conv_in_grad.loss)), -0.1794)))), "
    "add(add(add(scale(mean_abs_difference(effective_rank(weight_grad.loss)), 0.02792), "
    "scale(power(relu(sum(l1(mul(weight, weight_grad.loss)))), 0.1), -6.385)), "
    "add(scale(log1p(relu(mean(nuclear_norm(norm_out.perturbed)))), 0.7882), "
    "scale(power(relu(max(cosine_similarity(conv_in.data, conv_in.noise))), 0.1), 23.8))), "
    "add(add(scale(first(effective_rank(weight_grad.loss)), -0.07479), "
    "scale(power(relu(max(fraction_positive(norm_out.data))), 0.1), -38.64)), "
    "add(scale(log1p(relu(measure.logsynflow)), 0.5556), scale(std(entropy(log1p(softmax(conv_in.perturbed)))), "
    "-1.986))))), add(add(add(add(scale(sqrt(relu(last(lp_norm(input_grad.loss, 3)))), -3.729), "
    "scale(median(mean(logdet(conv_out.data))), 0.1929)), "
    "add(scale(last(sum(mean_over_samples(square(norm_out.perturbed)))), -5.344e-05), "
    "scale(power(relu(median(std(conv_in_grad.noise))), 0.1), -2.13))), "
    "add(add(scale(log1p(relu(mean(nuclear_norm(weight)))), 5.044), "
    "scale(mean(nuclear_norm(normalize(conv_in.data))), 0.002945)), "
    "add(scale(log1p(relu(first(sum_abs(mul(conv_out.data, conv_out_grad.loss))))), 0.5319), "
    "scale(power(relu(mean(l1(input.noise))), 0.1), -5.273)))), "
    "add(add(add(scale(sum(effective_rank(weight_grad.loss)), 0.0005019), "
    "scale(max(sum_abs(mean_over_channels(std_over_channels(sigmoid(conv_out.perturbed))))), 0.002064)), "
    "add(scale(log1p(relu(slope(cumulative_sum(sqrt(effective_rank(weight)))))), 3.122), "
    "scale(power(relu(slope(cumulative_sum(sqrt(sum(mean_over_samples(square(sum_over_space(mul(conv_out.data, "
    "conv_out_grad.loss))))))))), 0.1), -6.82))), "
    "add(add(scale(sum(sum_abs(mean_over_channels(std_over_channels(sigmoid(conv_out.perturbed))))), "
    "-7.503e-05), scale(last(effective_rank(weight_grad.loss)), -0.01225)), "
    "add(scale(mean_abs_difference(entropy(sum_over_space(power(std_over_space(conv_out.noise), 0.25)))), "
    "-0.6748), scale(mean_abs_difference(entropy(log1p(softmax(conv_in.perturbed)))), 1.102)))))), "
    "add(add(add(add(add(scale(log1p(relu(sum(sum(mean_over_samples(square(sum_over_space(mul(conv_out.data, "
    "conv_out_grad.loss)))))))), -3.124), scale(log1p(relu(max(l1(weight_grad.loss)))), 20.3)), "
    "add(scale(first(std(conv_in_grad.noise)), 6.387), "
    "scale(log1p(relu(mean(entropy(log1p(softmax(conv_in.perturbed)))))), 19.87))), "
    "add(add(scale(max(entropy(weight_grad.loss)), 0.716), scale(measure.plain, -2.929)), "
    "add(scale(measure.l2_norm, 0.0009941), scale(mean_abs_difference(mean(logdet(conv_out.data))), -0.1075)))), "
    "add(add(add(scale(sqrt(relu(mean_abs_difference(l1(weight)))), 2.703), scale(std(nuclear_norm(weight)), "
    "-0.02018)), add(scale(sqrt(relu(mean(hamming_distance(norm_out.data, norm_out.noise)))), -0.007599), "
    "scale(median(stable_rank(correlation(l2_over_channels(conv_in.data)))), 1.73))), "
    "add(add(scale(max(effective_rank(norm_out.data)), 1.844), scale(sqrt(relu(sum(std(conv_in_grad.noise)))), "
    "-0.8615)), add(scale(power(relu(std(std(norm_out.data))), 0.1), 4.926), "
    "scale(log1p(relu(measure.grad_norm)), 1.333))))), "
    "add(add(add(scale(power(relu(max(frobenius_norm(weight_grad.loss))), 0.1), -6.834), "
    "scale(power(relu(median(lp_norm(input_grad.loss, 3))), 0.1), -2.305)), "
    "add(scale(power(relu(max(stable_rank(correlation(l2_over_channels(conv_in.data))))), 0.1), -9.021), "
    "scale(power(relu(measure.logsynflow), 0.1), 1.343))), scale(sqrt(relu(sum(numel(weight)))), -0.0005011))))",
    reference="tau with the accuracies of networks that its evolution did not see, and their number: .715 on "
    "NAS-Bench-201 (300), .844 on NATS-Bench's size space (300), .799 on NAS-Bench-Macro (200), .717 on "
    "random DARTS cells (200), .613 on NAS-Bench-101 (100), .647 on TransNAS-Bench-101 micro (60); no "
    "other search space was tried",
)

register_program(
    "evolved_compact",
    "the formula of genetic programming of experiments/campaign.toml",
    "mul(measure.depth, "
    "square(mul(maximum(max(sum_abs(mean_over_channels(std_over_channels(sigmoid(conv_out.perturbed))))), "
    "mean_abs_difference(nuclear_norm(normalize(conv_in.data)))), mul(mul(measure.logsynflow, "
    "sqrt(exp(minimum(measure.meco, slope(cumulative_sum(sqrt(nuclear_norm(weight)))))))), "
    "safe_div(measure.near, add(add(max(sum_abs(mul(weight, weight_grad.loss))), sum(l1(input.noise))), "
    "square(sub(minimum(slope(cumulative_sum(sqrt(nuclear_norm(weight)))), sum(nuclear_norm(weight_grad.loss))), "
    "first(nuclear_norm(weight_grad.loss))))))))))",
    reference="tau with the accuracies of networks that its evolution did not see, and their number: .742 on "
    "NAS-Bench-201 (300), .828 on NATS-Bench's size space (300), .757 on NAS-Bench-Macro (200), .656 on "
    "random DARTS cells (200), .642 on NAS-Bench-101 (100), .679 on TransNAS-Bench-101 micro (60); no "
    "other search space was tried",
)

register_program(
    "evolved_forward",
    "the formula without a backward pass of experiments/campaign.toml",
    "add(add(add(add(add(add(scale(power(relu(measure.l2_norm), 0.1), 9.021), scale(power(relu(measure.meco), "
    "0.1), 9.089)), add(scale(log1p(relu(max(nuclear_norm(normalize(conv_in.data))))), 1.899), "
    "scale(std(entropy(log1p(softmax(conv_in.perturbed)))), -2.251))), add(add(scale(measure.depth, 0.0337), "
    "scale(log1p(relu(slope(cumulative_sum(sqrt(nuclear_norm(norm_out.perturbed)))))), -0.2163)), "
    "add(scale(mean(mean(logdet(conv_out.data))), 0.2829), scale(std(nuclear_norm(weight)), -0.0216)))), "
    "add(add(add(scale(log1p(relu(mean(effective_rank(weight)))), 4.241), scale(sqrt(relu(measure.flops)), "
    "-4.382e-06)), add(scale(power(relu(max(effective_rank(conv_out.noise))), 0.1), -346.8), "
    "scale(last(sum(mean_over_samples(square(norm_out.perturbed)))), -0.0001006))), "
    "add(add(scale(log1p(relu(last(cosine_similarity(conv_in.data, conv_in.noise)))), 4.011), "
    "scale(log1p(relu(median(entropy(log1p(softmax(conv_in.perturbed)))))), 10.51)), "
    "add(scale(power(relu(max(sum(sum_over_samples(std_over_channels(conv_in.data))))), 0.1), -0.6822), "
    "scale(log1p(relu(mean_abs_difference(mean(logdet(conv_out.data))))), 1.109))))), "
    "add(add(add(add(scale(sqrt(relu(last(nuclear_norm(normalize(conv_in.data))))), 0.05453), "
    "scale(max(effective_rank(norm_out.data)), 3.013)), "
    "add(scale(sqrt(relu(last(stable_rank(correlation(l2_over_channels(conv_in.data)))))), -1.31), "
    "scale(median(effective_rank(weight)), -0.02187))), "
    "add(add(scale(log1p(relu(mean_abs_difference(sum_abs(mean_over_channels(std_over_channels(sigmoid(conv_out.p"
    "erturbed))))))), 0.6449), scale(mean_abs_difference(mean(logdet(conv_out.data))), -0.1394)), "
    "add(scale(log1p(relu(median(nuclear_norm(weight)))), 1.879), "
    "scale(mean_abs_difference(entropy(sum_over_space(power(std_over_space(conv_out.noise), 0.25)))), "
    "-1.051)))), add(add(add(scale(measure.swap_regularised, -0.003056), "
    "scale(median(nuclear_norm(normalize(conv_in.data))), 0.0001618)), "
    "add(scale(sqrt(relu(std(std(norm_out.data)))), 6.599), "
    "scale(log1p(relu(mean(nuclear_norm(normalize(conv_in.data))))), 2.042))), "
    "add(add(scale(log1p(relu(log_sum(nuclear_norm(normalize(conv_in.data))))), 14.88), "
    "scale(sum(stable_rank(correlation(l2_over_channels(conv_in.data)))), -0.02294)), "
    "add(scale(power(relu(std(l1(input.noise))), 0.1), -3.971), "
    "scale(mean(sum_abs(mean_over_channels(std_over_channels(sigmoid(conv_out.perturbed))))), 0.002975)))))), "
    "add(add(scale(log1p(relu(mean(lp_norm(norm_out.perturbed, 0.5)))), -0.7415), "
    "scale(sqrt(relu(max(sum_abs(norm_out.data)))), 0.001834)), "
    "scale(mean_abs_difference(entropy(log1p(softmax(conv_in.perturbed)))), 0.8656)))",
    reference="tau with the accuracies of networks that its evolution did not see, and their number: .752 on "
    "NAS-Bench-201 (300), .814 on NATS-Bench's size space (300), .751 on NAS-Bench-Macro (200), .692 on "
    "random DARTS cells (200), .493 on NAS-Bench-101 (100), .663 on TransNAS-Bench-101 micro (60); no "
    "other search space was tried",
)

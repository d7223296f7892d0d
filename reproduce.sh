#!/usr/bin/env bash
# One command for each table and figure. Usage: bash reproduce.sh NAME [TABLE_FOLDER] [IMAGES]
#   evolved    three runs of the experiment, 13 to 14 minutes each on 2 cores (seeds 0, 1, 2), below runs/reproduce/
#   eznas_a    EZNAS-A in its three readings on 1,000 architectures, and the baselines
# TABLE_FOLDER holds nasbench201_cifar10.csv (experiments/tables.py writes it); without it the embedded accuracies of
# the package analog-nasbench are used, and the report says so. IMAGES is a CIFAR-10 folder or .npz; digits without it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-python}
name=${1:-} folder=${2:-} images=${3:-digits}

if [[ $name != evolved && $name != eznas_a ]]; then
    sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi

table=()
if [[ -n $folder ]]; then
    table=(--table "$folder/nasbench201_cifar10.csv" --target valid200)
else
    echo "no table folder given: using the embedded CIFAR-10 test accuracies (one retraining of each architecture)" >&2
fi

case $name in
evolved)
    for seed in 0 1 2; do
        "$python" -m eznas.evolve --config experiments/nasbench201_cifar10.toml --seed "$seed" \
            --images "$images" ${table[@]+"${table[@]}"} --out "runs/reproduce/seed$seed"
    done
    ;;
eznas_a)
    "$python" verify_scores.py --n_samples 1000 --seed 1 --batch_size 16 --images "$images" \
        ${table[@]+"${table[@]}"} \
        --proxy eznas_a_released --proxy eznas_a --proxy eznas_a_paper --proxy eznas_a_weight_grad --proxy params --proxy flops --proxy naswot
    ;;
esac

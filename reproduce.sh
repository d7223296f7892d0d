#!/usr/bin/env bash
# Evolved proxies, EZNAS-A, and rows beside published ones; the commands of the other results stand in
# experiments/README.md. Usage: bash reproduce.sh NAME [FOLDER [IMAGES]]
#   evolved    three runs of the experiment, 14 minutes each on 2 cores (seeds 0, 1, 2), below runs/reproduce/
#   eznas_a    EZNAS-A in its three readings on 1,000 architectures, and the baselines
#   ROW        a row of EZNAS's table, or of its kind, beside what is published: experiments/rows/ROW.toml
#   rows       all rows, some minutes each
# FOLDER holds tables, such as nasbench201_cifar10.csv, from official files (python -m eznas.benchmarks convert) or
# column files (experiments/tables.py). Without it, evolved and eznas_a use the embedded accuracies of the package
# analog-nasbench, and rows what EZNAS_DATA and the configuration name, the embedded accuracies, or are skipped: they
# say so. IMAGES is a CIFAR folder or an .npz; without it rows look into FOLDER for their own, then take digits.
set -euo pipefail
python=${PYTHON:-python}
absolute() {
    case $1 in
    '' | digits | noise | /*) echo "$1" ;;
    *) echo "$PWD/$1" ;;
    esac
}
name=${1:-} folder=$(absolute "${2:-}") images=$(absolute "${3:-}")
script=$(absolute "${BASH_SOURCE[0]}")
cd "$(dirname "$script")"

table=()
if [[ -n $folder ]]; then
    table=(--table "$folder/nasbench201_cifar10.csv" --target validation_200)
elif [[ $name == evolved || $name == eznas_a ]]; then
    echo "no folder given: using the embedded CIFAR-10 test accuracies (one retraining of each architecture)" >&2
fi

case $name in
evolved)
    for seed in 0 1 2; do
        out=runs/reproduce/seed$seed
        if [[ -f $out/summary.json ]]; then
            echo "$out is finished; move it away to run it again" >&2
        elif [[ -f $out/config.toml ]]; then
            echo "going on with $out, with the tables and images that it was begun with" >&2
            "$python" -m eznas.evolve --resume "$out"
        else
            "$python" -m eznas.evolve --config experiments/nasbench201_cifar10.toml --seed "$seed" \
                --images "${images:-digits}" ${table[@]+"${table[@]}"} --out "$out"
        fi
    done
    ;;
eznas_a)
    "$python" verify_scores.py --n_samples 1000 --seed 1 --batch_size 16 --images "${images:-digits}" \
        ${table[@]+"${table[@]}"} \
        --proxy eznas_a_released --proxy eznas_a --proxy eznas_a_paper --proxy eznas_a_weight_grad --proxy params --proxy flops --proxy naswot
    ;;
*)
    row=$name
    [[ $name == rows ]] && row=--all
    if [[ $row != --all && ! ($name =~ ^[a-z0-9_-]+$ && -f experiments/rows/$name.toml) ]]; then
        sed -n '2,11s/^# \{0,1\}//p' "$script" >&2
        echo "rows: $(cd experiments/rows && echo *.toml | sed 's/\.toml//g')" >&2
        exit 2
    fi
    "$python" experiments/rows.py "$row" ${folder:+--data "$folder"} ${images:+--images "$images"}
    ;;
esac

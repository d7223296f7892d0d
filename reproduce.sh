#!/usr/bin/env bash
# Reproduce evolved proxies, EZNAS-A, and rows of published tables. Usage: bash reproduce.sh NAME [FOLDER [IMAGES]]
#   evolved        three runs of the experiment (seeds 0, 1, 2), 14 minutes each on 2 cores, in runs/reproduce/
#   campaign       one proxy for several search spaces (experiments/campaign.toml), in runs/reproduce/campaign
#   leave_one_out  the campaign without one space at a time, tested on that space (five spaces with a GPU, else four)
#   transformers   measures and evolved proxies on AutoFormer-Ti and NAS-Bench-BERT, in runs/reproduce/transformers
#   eznas_a        EZNAS-A in its three readings, and the baselines, on 1,000 architectures
#   predictor_table  all predictors beside published figures; FOLDER holds the column files
#   ROW            a row of EZNAS's table, or a similar one, beside the published figures: experiments/rows/ROW.toml
#   rows           all rows, some minutes each
# FOLDER holds tables such as nasbench201_cifar10.csv, from official files (eznas benchmarks convert) or column files
# (experiments/tables.py). Without it, evolved and eznas_a use the embedded accuracies of the package analog-nasbench;
# the others search the folders of EZNAS_DATA and of the configuration, then use embedded accuracies; rows without any
# are skipped. A run that was stopped is resumed by the same command.
# IMAGES is a CIFAR folder or an .npz file. Without it, rows search FOLDER for their own images, then use digits.
# experiments/README.md has the commands of all other results.
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

evolve() { # OUT OPTION...: start a run, resume it, or leave it if it is finished
    local out=$1
    if [[ -f $out/summary.json ]]; then
        echo "$out is finished; move it away to run it again" >&2
    elif [[ -f $out/config.toml ]]; then
        echo "resuming $out with its own tables and images" >&2
        "$python" -m eznas.evolve --resume "$out"
    else
        "$python" -m eznas.evolve "${@:2}" --images "${images:-digits}" --out "$out"
    fi
}

[[ -n $folder ]] && export EZNAS_DATA=$folder
table=()
if [[ -n $folder ]]; then
    table=(--table "$folder/nasbench201_cifar10.csv" --target validation_200)
elif [[ $name == evolved || $name == eznas_a ]]; then
    echo "no FOLDER given: using the embedded CIFAR-10 test accuracies (one retraining of each architecture)" >&2
fi

case $name in
evolved)
    for seed in 0 1 2; do
        evolve "runs/reproduce/seed$seed" --config experiments/nasbench201_cifar10.toml --seed "$seed" \
            ${table[@]+"${table[@]}"}
    done
    ;;
campaign | leave_one_out)
    [[ -n $folder ]] || { echo "$name needs FOLDER, the tables of experiments/tables.py" >&2; exit 2; }
    without=
    [[ $name == campaign ]] || without=each
    "$python" experiments/campaign.py "$folder" --images "${images:-digits}" --out runs/reproduce/campaign \
        ${without:+--without "$without"}
    ;;
transformers)
    [[ -n $folder ]] || { echo "transformers needs FOLDER, the tables of experiments/tables.py" >&2; exit 2; }
    "$python" experiments/transformer_spaces.py "$folder" --images "${images:-digits}" --out runs/reproduce/transformers
    ;;
predictor_table)
    [[ -n $folder ]] || { echo "predictor_table needs FOLDER, the column files of tables and published scores" >&2; exit 2; }
    "$python" experiments/predictor_table.py "$folder" runs/reproduce/predictor_table
    ;;
eznas_a)
    "$python" verify_scores.py --samples 1000 --seed 1 --batch-size 16 --images "${images:-digits}" \
        ${table[@]+"${table[@]}"} \
        --proxy eznas_a_released --proxy eznas_a --proxy eznas_a_paper --proxy eznas_a_weight_grad --proxy params --proxy flops --proxy naswot
    ;;
*)
    row=$name
    [[ $name == rows ]] && row=--all
    if [[ $row != --all && ! ($name =~ ^[a-z0-9_-]+$ && -f experiments/rows/$name.toml) ]]; then
        sed -n '2,16s/^# \{0,1\}//p' "$script" >&2
        echo "rows: $(cd experiments/rows && echo *.toml | sed 's/\.toml//g')" >&2
        exit 2
    fi
    "$python" experiments/rows.py "$row" ${folder:+--data "$folder"} ${images:+--images "$images"}
    ;;
esac

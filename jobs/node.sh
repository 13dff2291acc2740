#!/bin/bash
# Any fastsfes command on one node. It goes on where it was when the time is up, or the node is lost:
#   sbatch jobs/node.sh search --executor processes --islands 32 --output RUN --continue
#   sbatch jobs/node.sh dataset build DATA --output FILE.h5 --processes 16
#SBATCH --job-name=fastsfes
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log

fastsfes "$@" &
work=$!

# Slurm sends SIGUSR1 two minutes before the time is up: fastsfes stops at once and ends with status 75, queue again.
trap 'kill -USR1 $work' USR1
wait $work
status=$?
while [ $status -eq 138 ] && kill -0 $work 2>/dev/null; do # 138: the trap interrupted the wait
  wait $work
  status=$?
done
if [ $status -eq 75 ] || [ $status -eq 138 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit $status

#!/usr/bin/env bash
# The commands of docs/kubeflow.md, in order; tests/loop/test_kubeflow_page.py runs this file.
# Set before: NAMESPACE, CONFIG, PROFILE, STORE, JUDGELOOP_IMAGE_CPU, JUDGELOOP_IMAGE_GPU,
# KF_PIPELINES_ENDPOINT, the store's AWS_* variables; in the current folder: store.env, registry.env.
set -euo pipefail

kubectl apply -k "k8s/overlays/${OVERLAY:-standalone}"
kubectl create secret generic judgeloop-store -n "$NAMESPACE" --from-env-file=store.env
kubectl create secret generic judgeloop-registry -n "$NAMESPACE" --from-env-file=registry.env
kubectl port-forward -n kubeflow svc/ml-pipeline 8888:8888 &
curl -sSf -o /dev/null --retry 60 --retry-delay 1 --retry-connrefused "$KF_PIPELINES_ENDPOINT/apis/v2beta1/healthz"
make doctor-kubeflow PROFILE="$PROFILE"
make submit CONFIG="$CONFIG" PROFILE="$PROFILE" SET="store=$STORE" LOOP_ID=first
make status RUN=first FOLLOW=1

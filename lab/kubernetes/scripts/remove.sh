#!/bin/sh
# Everything that a cluster leaves on its host. Arguments: files and folders to remove.
systemctl --quiet disable --now kubelet kwok kube-proxy kube-scheduler kube-controller-manager kube-apiserver etcd
for task in $(ctr --namespace k8s.io tasks list --quiet); do
  ctr --namespace k8s.io tasks kill --all --signal SIGKILL "$task"
done
for container in $(ctr --namespace k8s.io containers list --quiet); do
  ctr --namespace k8s.io tasks delete --force "$container" >/dev/null
  ctr --namespace k8s.io containers delete "$container"
done
systemctl --quiet disable --now containerd docker-registry
grep -o ' /var/lib/kubelet[^ ]*' /proc/mounts | sort -r | xargs -r umount
ip netns list | cut -d ' ' -f 1 | grep '^cni-' | xargs -rn1 ip netns delete
nft delete table ip kube-proxy
nft delete table ip6 kube-proxy
rm -rf /var/lib/kubelet /var/lib/cni "$@"
if [ -e /etc/systemd/system/nftables.service.d/groundwork.conf ]; then systemctl reload nftables; fi
systemctl daemon-reload
systemctl reset-failed
exit 0

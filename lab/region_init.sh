#!/bin/sh
# First process of a region, in new mount, process, UTS, IPC, network and cgroup namespaces: builds the region's view of
# the file system and then becomes `pause`, which only reaps orphans. Everything mounted here vanishes with the region.
#
# NODE_NAME      name of the node
# DATA           directory of the node's own files
# CGROUPS        control groups to mount, one `path options` a line; options `-` for version 2
# PAUSE          the program to become
set -eu

# Private to the region, yet shared inside of it: pods that ask for mount propagation (istio-cni) need a shared mount.
mount --make-rprivate /
mount --make-rshared /

mount -t proc proc /proc
mount -t sysfs sysfs /sys
echo "$NODE_NAME" >/proc/sys/kernel/hostname

case $CGROUPS in *" -") ;; *) mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup ;; esac
echo "$CGROUPS" | while read -r path options; do
    case $options in
    -)
        mount -t cgroup2 cgroup2 "$path"
        # A group that hands controllers down must hold no process: this one goes beside the pods' groups.
        echo $$ >"$path/components/cgroup.procs"
        ;;
    *)
        mkdir -p "$path"
        mount -t cgroup -o "$options" cgroup "$path"
        ;;
    esac
done

# Each directory that a component of Kubernetes writes to by default is the region's own: no component needs to be told of
# another place, and two regions never meet. What must be quick or small is kept in memory.
mount -t tmpfs -o mode=755,size=256m tmpfs /run
# etcd waits for the disk at every write; in memory it does not, and a region's state is not meant to outlive the region.
mount -t tmpfs -o mode=700,size=1g tmpfs /var/lib/etcd
mount -t tmpfs -o mode=755,size=16m tmpfs /var/lib/cni
mount -t tmpfs -o mode=755,size=16m tmpfs /etc/cni
mount -t tmpfs -o mode=755,size=256m tmpfs /opt/cni
mkdir -p /etc/cni/net.d /opt/cni/bin /run/lock
for directory in kubelet containerd; do
    mkdir -p "$DATA/$directory"
    mount --bind "$DATA/$directory" "/var/lib/$directory"
done
for directory in pods containers; do
    mkdir -p "$DATA/log/$directory"
    mount --bind "$DATA/log/$directory" "/var/log/$directory"
done

# The kubelet demands these settings and would make them for the whole machine. They are shown to it as made, so that the
# machine's own stay as they are; the lab does not depend on their effect.
mkdir -p /run/sysctl
show() {
    echo "$2" >"/run/sysctl/$1"
    mount --bind "/run/sysctl/$1" "/proc/sys/$(echo "$1" | tr . /)"
}
show vm.overcommit_memory 1
show vm.panic_on_oom 0
show kernel.panic 10
show kernel.panic_on_oops 1
show kernel.keys.root_maxkeys 1000000
show kernel.keys.root_maxbytes 25000000

exec "$PAUSE"

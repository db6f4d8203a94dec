/** Istio's name of the cluster that is a proxy's own service, in its bootstrap and, over EDS, at its control plane. */
export const localClusterName = 'local_cluster';

module istio-mesh/lab/tools/pause

go 1.26

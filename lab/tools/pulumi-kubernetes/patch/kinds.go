// Package v2 stands, while the provider is built, for the generated file of the same name in the Kubernetes SDK for Go. That file
// has a case, with a type of its own, for each of some five hundred kinds, which the provider never looks at: it hands the
// resource back by its URN. Compiling those types takes four minutes on two cores.
package v2

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

type object struct {
	pulumi.CustomResourceState
}

// RegisterResource registers an object of any kind. The token is the one that the generated cases spell out.
func RegisterResource(ctx *pulumi.Context, apiVersion, kind, name string, props pulumi.Input,
	opts ...pulumi.ResourceOption) (pulumi.CustomResource, error) {
	if apiVersion == "v1" {
		apiVersion = "core/v1"
	}
	var registered object
	if err := ctx.RegisterResource("kubernetes:"+apiVersion+":"+kind, name, props, &registered, opts...); err != nil {
		return nil, err
	}
	return &registered, nil
}

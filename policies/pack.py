from policies.catalogue import *
@resource_policy("istio-mtls-strict", MANDATORY, on=["core/ConfigMap","core/Namespace"], description="d", reason="r", source="s")
def x(s, p):
    import sys; print(s, s.resource, p, file=sys.stderr)
    yield Finding("w","c","m")
@stack_policy("stack-two", MANDATORY, on=["core/ConfigMap","core/Namespace"], description="d", reason="r", source="s")
def y(s, p):
    for f in s.of("core/ConfigMap","core/Namespace"):
        import sys; print(f, f.resource, s.ancestors(f,"data"), file=sys.stderr)
        f["metadata"].complete
        yield Finding("w2","c","m",about=f)
POLICIES=(x,y)

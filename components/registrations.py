"""How the program ends: what it has asked the engine for is waited for."""

import asyncio


async def begun() -> None:
    """Returns when every registration of the program has begun; given to `pulumi.run` at its end.

    Pulumi's SDK waits for the registrations that have begun, one after the other. Without a step of the event loop
    between the program and that, none has: it then waits for any one output of all, over and over, and looks at every
    output each time. That is quadratic: at 1,000 services in two regions most of the program's time.
    """
    await asyncio.sleep(0)

"""The node of a training on which this process runs: a TrainJob's pods train together."""

from __future__ import annotations

import os

import msgspec

from judgeloop.schema.errors import ConfigError

RANK, ADDRESS, PORT = "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT"
"""Variables that Kubeflow Trainer sets in each pod of a TrainJob (2.3, its torch plugin)."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One node of a training."""

    rank: int = 0
    """From 0; rank 0 writes the adapter, and into the store."""
    count: int = 1
    endpoint: str = ""
    """Address and port of rank 0, where the nodes meet; empty on a single one."""

    @property
    def writes(self) -> bool:
        """Whether this node writes the results of the training."""
        return self.rank == 0


ALONE = Node()


def this_node(count: int) -> Node:
    """Returns the node of this process.

    Args:
        count: Number of nodes of the training: `training.nodes`.

    Raises:
        ConfigError: The environment does not name one of that many nodes.
    """
    if count == 1:
        return ALONE
    rank, address, port = (os.environ.get(name, "") for name in (RANK, ADDRESS, PORT))
    if not (rank.isdecimal() and int(rank) < count and address and port.isdecimal()):
        raise ConfigError(
            f"training.nodes is {count}, and {RANK}={rank!r}, {ADDRESS}={address!r}, "
            f"{PORT}={port!r} name no node of them: Kubeflow Trainer sets these in the pods of a "
            "TrainJob (training.where: trainjob)"
        )
    return Node(rank=int(rank), count=count, endpoint=f"{address}:{port}")

"""What is rewritten in an exported graph so that ONNX Runtime computes the same in less time."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from sidecar.finetuning.network import LARGEST_ACTIVATION, SMALLEST_ACTIVATION

_ATTENTION = re.compile(r"(/network/encoder/layer\.\d+/attention/)Softmax")
_MICROSOFT = "com.microsoft"
_LEVELS = 255


def fuse_attention(graph: ModelProto) -> None:
    """One node for each attention, instead of transposes, two products and a softmax: 5 % of the whole time."""
    nodes = list(graph.graph.node)
    by_name = {node.name: node for node in nodes}
    prefixes = [match[1] for node in nodes if (match := _ATTENTION.fullmatch(node.name))]
    for prefix in prefixes:
        projected = [by_name[f"{prefix}{part}_lin/Add"].output[0] for part in "qkv"]
        (mixed,) = (i for i in by_name[f"{prefix}out_lin/MatMul"].input if "out_lin" not in i and "onnx::" not in i)
        nodes = [n for n in nodes if not n.name.startswith(prefix) or "_lin/" in n.name]
        nodes.append(
            helper.make_node(
                "MultiHeadAttention",
                projected,
                [mixed],
                name=f"{prefix}MultiHeadAttention",
                domain=_MICROSOFT,
                num_heads=_heads(by_name, prefix),
            )
        )
    _replace(graph, nodes)
    graph.opset_import.append(helper.make_opsetid(_MICROSOFT, 1))


def fix_inner_scales(graph: ModelProto) -> None:
    """Let the feedforward's middle be quantised by its known limits, instead of looking for them in each prompt.

    Values beyond are cut by the quantisation itself, so the node that did it goes as well.
    """
    clips = {n.output[0]: n for n in graph.graph.node if n.op_type == "Clip" and "/ffn/" in n.name}
    scale = (LARGEST_ACTIVATION - SMALLEST_ACTIVATION) / _LEVELS
    zero = round(-SMALLEST_ACTIVATION / scale)
    graph.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(scale, dtype=np.float32), "inner_scale"),
            numpy_helper.from_array(np.array(zero, dtype=np.uint8), "inner_zero_point"),
        ]
    )
    nodes: list[NodeProto] = []
    renamed: dict[str, str] = {}
    for node in graph.graph.node:
        if node.op_type == "DynamicQuantizeLinear" and node.input[0] in clips:
            quantised, its_scale, its_zero = node.output
            renamed |= {its_scale: "inner_scale", its_zero: "inner_zero_point"}
            source = clips[node.input[0]].input[0]
            node = helper.make_node(  # noqa: PLW2901  # it takes the other's place
                "QuantizeLinear", [source, "inner_scale", "inner_zero_point"], [quantised], name=f"{node.name}_fixed"
            )
        nodes.append(node)
    for node in nodes:
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)
    _replace(graph, [n for n in nodes if n.output[0] not in clips])


def _heads(by_name: dict[str, NodeProto], prefix: str) -> int:
    """The split into heads stands in the shape that a Reshape is given."""
    shape = by_name[by_name[f"{prefix}Reshape"].input[1].removesuffix("_output_0")]
    constants = [by_name.get(i.removesuffix("_output_0")) for i in shape.input]
    sizes = [c.attribute[0].t for c in constants if c is not None and c.op_type == "Constant"]
    return int(numpy_helper.to_array(sizes[0]).item())


def _replace(graph: ModelProto, nodes: Iterable[NodeProto]) -> None:
    """Those that lead to an output, each after what it needs."""
    makers = {output: node for node in nodes for output in node.output}
    ordered: list[NodeProto] = []
    seen: set[str] = set()
    pending = [(output.name, False) for output in reversed(graph.graph.output)]
    while pending:
        name, are_inputs_there = pending.pop()
        node = makers.get(name)
        if node is None:
            continue
        if are_inputs_there:
            ordered.append(node)
        elif node.output[0] not in seen:
            seen.add(node.output[0])
            pending.append((node.output[0], True))
            pending += [(each, False) for each in reversed(node.input)]
    del graph.graph.node[:]
    graph.graph.node.extend(ordered)

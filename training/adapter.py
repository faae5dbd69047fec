"""A linear IP-Adapter for any UNet2DConditionModel, with the parameter names of published
adapters: image_proj.* and ip_adapter.N.to_k_ip / to_v_ip. N counts the attention processors in
the UNet's order (down, up, mid), so the cross-attentions are 1, 3, 5, ...

The processors are plain objects that refer to the adapter's layers. So the UNet keeps exactly
the parameters of the stock class.
"""
import torch
import torch.nn as nn


class ImageProjection(nn.Module):
    def __init__(self, embedding, width, tokens):
        super().__init__()
        self.tokens = tokens
        self.proj = nn.Linear(embedding, tokens * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, embedding):
        return self.norm(self.proj(embedding).view(len(embedding), self.tokens, -1))


class KeyValue(nn.Module):
    """The adapter's layers for one cross-attention, initialised with the text's projections."""

    def __init__(self, attention):
        super().__init__()
        self.to_k_ip = nn.Linear(attention.to_k.in_features, attention.to_k.out_features, bias=False)
        self.to_v_ip = nn.Linear(attention.to_v.in_features, attention.to_v.out_features, bias=False)
        with torch.no_grad():
            self.to_k_ip.weight.copy_(attention.to_k.weight)
            self.to_v_ip.weight.copy_(attention.to_v.weight)


def attend(q, k, v):
    """Attention as plain matrix products, which beat the fused kernel for small heads on a CPU."""
    b, h, n, d = q.shape
    q, k, v = (x.reshape(b * h, -1, d) for x in (q, k, v))
    weights = torch.bmm(q * d ** -.5, k.transpose(1, 2)).softmax(-1).to(v.dtype)
    return torch.bmm(weights, v).view(b, h, n, d)


class Processor:
    def __init__(self, adapter=None, layer=None):
        self.adapter, self.layer = adapter, layer

    def __call__(self, attention, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None, **_):
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states

        def heads(x):
            return x.view(len(x), -1, attention.heads, x.shape[-1] // attention.heads).transpose(1, 2)

        q = heads(attention.to_q(hidden_states))
        out = attend(q, heads(attention.to_k(context)), heads(attention.to_v(context)))
        if self.layer is not None and self.adapter.image_tokens is not None:
            tokens, scale = self.adapter.image_tokens, self.adapter.scale
            image = attend(q, heads(self.layer.to_k_ip(tokens)), heads(self.layer.to_v_ip(tokens)))
            out = out + image * (scale.view(-1, 1, 1, 1).to(image.dtype) if torch.is_tensor(scale) else scale)
        return attention.to_out[0](out.transpose(1, 2).reshape(hidden_states.shape))


class Adapter(nn.Module):
    """Before a forward pass, set `image_tokens` (or None) and `scale` (one number, or one per picture)."""

    def __init__(self, unet, embedding=128, width=128, tokens=4):
        super().__init__()
        self.image_proj = ImageProjection(embedding, width, tokens)
        self.image_tokens, self.scale = None, 1.0
        processors, layers = {}, {}
        for n, name in enumerate(unet.attn_processors):
            if name.endswith("attn2.processor"):
                layers[str(n)] = KeyValue(unet.get_submodule(name.removesuffix(".processor")))
                processors[name] = Processor(self, layers[str(n)])
            else:
                processors[name] = Processor()
        unet.set_attn_processor(processors)
        self.ip_adapter = nn.ModuleDict(layers)

"""The Singer protocol: messages in, messages out, plugins as processes."""

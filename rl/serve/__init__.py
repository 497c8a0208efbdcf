"""The critic-sampling inference server: OpenAI's surface and /v1/solve over one engine with continuous batching."""

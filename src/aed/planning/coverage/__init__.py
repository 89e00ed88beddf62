"""What opening buys: a preview of one proposed step of an estate, kept with its inputs."""

/** First words by which podman and netavark run a network driver; none is a command of ours. */
export const netavarkCommands = ['info', 'create', 'setup', 'teardown'] as const;

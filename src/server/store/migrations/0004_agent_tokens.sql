-- Which registration token and hostname (their hash) an agent joined with, until its permanent one is known to have arrived.
ALTER TABLE agents ADD COLUMN joined_with TEXT;

-- Permanent tokens that were sent to agents that have one already, until they come back with them.
CREATE TABLE agent_tokens (
    id            INTEGER PRIMARY KEY,
    agent_id      TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    token_hash    TEXT NOT NULL UNIQUE,
    created_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX agent_tokens_agent ON agent_tokens (agent_id);

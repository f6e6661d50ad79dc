"""Reports of a session's runs: terminal, progress messages, JUnit properties and error sections."""

"""Words to audio (and, later, audio to words), in processes of its own."""

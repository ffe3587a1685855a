"""Everything that can be wrong with a job, found before anything is started."""

-- A search by hardware, system or scanner goes along the one that it means, in the order of its pages.
CREATE INDEX terminals_by_hardware ON terminals (hardware, enrolled_at, terminal);
CREATE INDEX terminals_by_os ON terminals (os, enrolled_at, terminal);
CREATE INDEX terminals_by_engine ON terminals (engine_version, enrolled_at, terminal);

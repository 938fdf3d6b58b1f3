"""The words of runbooks and incidents, in one place for those who come by the door."""

from engine.core.health import Contact, Health, HealthCheck
from engine.core.incident import (
    STANDING_WORDS,
    Incident,
    Progress,
    Standing,
    approval_refusal,
    lead_refusal,
    refusal,
)
from engine.core.incident_clock import Clock, duration, overdue, took
from engine.core.incident_events import OUTCOMES, Line, Mode, Outcome, Who
from engine.core.incident_report import handover, sentence, title
from engine.core.runbook import PHASES, Option, Runbook, Step, fill, fill_command
from engine.core.runbook_text import PHASE_WORDS, action_words, step_facts, targets

__all__ = [
    "OUTCOMES",
    "PHASES",
    "PHASE_WORDS",
    "STANDING_WORDS",
    "Clock",
    "Contact",
    "Health",
    "HealthCheck",
    "Incident",
    "Line",
    "Mode",
    "Option",
    "Outcome",
    "Progress",
    "Runbook",
    "Standing",
    "Step",
    "Who",
    "action_words",
    "approval_refusal",
    "duration",
    "fill",
    "fill_command",
    "handover",
    "lead_refusal",
    "overdue",
    "refusal",
    "sentence",
    "step_facts",
    "targets",
    "title",
    "took",
]

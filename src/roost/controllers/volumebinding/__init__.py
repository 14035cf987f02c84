"""Claims get volumes, volumes get claims, and volumes that are let go of are reclaimed."""

from roost.controllers.volumebinding.decide import CONTROLLER as CONTROLLER

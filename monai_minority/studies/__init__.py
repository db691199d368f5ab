"""The paper's studies for any cohort. Each has a few stages with overrides, a table, a figure and a paragraph."""

from monai_minority.run.jobs import Job
from monai_minority.studies.baselines import Baselines
from monai_minority.studies.class_guidance import ClassGuidance
from monai_minority.studies.distances import Distances
from monai_minority.studies.distribution import Distribution
from monai_minority.studies.labelled_samples import LabelledSamples
from monai_minority.studies.mixed_density import MixedDensity
from monai_minority.studies.num_classes import NumClasses
from monai_minority.studies.outlier_correlations import OutlierCorrelations
from monai_minority.studies.own_store import own_store
from monai_minority.studies.plan import StudyPlan
from monai_minority.studies.run_study import run_study
from monai_minority.studies.scale_and_class import ScaleAndClass
from monai_minority.studies.severity import Severity
from monai_minority.studies.solvers import Solvers
from monai_minority.studies.study import Study
from monai_minority.studies.study_run import StudyRun
from monai_minority.studies.timestep import Timestep

__all__ = [
    "Baselines",
    "ClassGuidance",
    "Distances",
    "Distribution",
    "LabelledSamples",
    "MixedDensity",
    "NumClasses",
    "OutlierCorrelations",
    "ScaleAndClass",
    "Severity",
    "Solvers",
    "Job",
    "Study",
    "StudyPlan",
    "StudyRun",
    "Timestep",
    "own_store",
    "run_study",
]

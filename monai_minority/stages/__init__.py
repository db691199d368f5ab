"""The stages of a run, a class each: what it reads, what it does, what it leaves.

The attributes of a stage are settings and objects of the configuration of its name, whose comments tell their meaning.
"""

from monai_minority.stages.compare import Compare
from monai_minority.stages.cut import Cut, class_ranks, count_classes
from monai_minority.stages.encode import Encode
from monai_minority.stages.evaluate import Evaluate
from monai_minority.stages.export import Export, ExportScores
from monai_minority.stages.feature_gaussians import feature_gaussians, score_bounds
from monai_minority.stages.import_samples import ImportSamples
from monai_minority.stages.judge_features import JudgeFeatures
from monai_minority.stages.label import Label
from monai_minority.stages.mean_features import mean_features
from monai_minority.stages.memorization import DropCopies, Memorization
from monai_minority.stages.phantom_cohort import PhantomCohort
from monai_minority.stages.prepare import Prepare
from monai_minority.stages.report import Report
from monai_minority.stages.sample import Sample
from monai_minority.stages.score import Score
from monai_minority.stages.select import Select
from monai_minority.stages.shipped_run import ShippedRun
from monai_minority.stages.split_folds import SplitFolds
from monai_minority.stages.study import StudyStage, StudyStore
from monai_minority.stages.timestep import read_timestep, settle_timestep
from monai_minority.stages.train_autoencoder import TrainAutoencoder
from monai_minority.stages.train_backbone import TrainBackbone
from monai_minority.stages.train_classifier import TrainClassifier
from monai_minority.stages.train_dino import TrainDino
from monai_minority.stages.train_segmentation import TrainSegmentation, masked_pictures, masked_volumes
from monai_minority.stages.utility import Utility

__all__ = [
    "Compare",
    "Cut",
    "DropCopies",
    "Encode",
    "Evaluate",
    "Export",
    "ExportScores",
    "ImportSamples",
    "JudgeFeatures",
    "Label",
    "Memorization",
    "PhantomCohort",
    "Prepare",
    "Report",
    "Sample",
    "Score",
    "Select",
    "ShippedRun",
    "SplitFolds",
    "StudyStage",
    "StudyStore",
    "TrainAutoencoder",
    "TrainBackbone",
    "TrainClassifier",
    "TrainDino",
    "TrainSegmentation",
    "Utility",
    "masked_pictures",
    "masked_volumes",
    "class_ranks",
    "count_classes",
    "feature_gaussians",
    "mean_features",
    "read_timestep",
    "score_bounds",
    "settle_timestep",
]

"""Progress of fitting several heads, reported from the caller's thread only."""

from __future__ import annotations

import threading

from ..utils.progress import History, Progress, ProgressCallback


class FitProgress:
    """Counts fitted candidates and collects the loss and AUC curve that is plotted.

    Worker threads only count; the caller's thread reports for them, polling often (`report`). After `leave` a worker
    raises at its next step, so that a cancelled fit ends soon.
    """

    def __init__(
        self,
        progress: ProgressCallback,
        total: int,
        *,
        stage: str = "fitting",
        plots_epochs: bool = False,
    ) -> None:
        self._progress, self._stage, self._total, self._done = progress, stage, total, 0
        self._plots_epochs = plots_epochs
        self._caller, self._counting, self._left = threading.current_thread(), threading.Lock(), False
        self.history: History | None = None
        self.report()

    def report(self) -> None:
        if threading.current_thread() is self._caller:
            self._progress(Progress(self._stage, self._done, self._total, history=self.history))
        elif self._left:
            raise _LeftError

    def leave(self) -> None:
        self._left = True

    def show(self, history: History) -> None:
        """Report with this curve."""
        self.history = history
        self.report()

    def add_fold(self, folds: int) -> None:
        """One more fit after `folds` of them, of the head that is kept: its epochs are the curve from now on."""
        self._total += self._total // folds
        self.history, self._plots_epochs = None, True

    def fitted(self) -> None:
        """One candidate more is fitted."""
        with self._counting:
            self._done += 1
        self.report()

    def epoch(self, loss: float, auc: float) -> None:
        """An epoch has ended with this validation loss and AUC."""
        if self._plots_epochs:
            past = self.history or History("epoch")
            self.history = History("epoch", (*past.loss, loss), (*past.auc, auc))
        self.report()


class _LeftError(Exception):
    """Ends a worker thread whose result nobody waits for."""

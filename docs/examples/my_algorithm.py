"""A search algorithm: it proposes architectures and is told how good they are."""

from eznas.search import ALGORITHMS, Algorithm, Proposal, Searcher


class RestartingClimber(Searcher):
    """Mutates the best architecture; restarts after ten proposals without an improvement."""

    def __init__(self, context):
        super().__init__(context)
        self.restart()

    def restart(self):
        self.best, self.best_fitness, self.failures = None, -float("inf"), 0

    def ask(self):
        if self.best is None:
            return Proposal(self.first())
        return Proposal(self.context.domain.mutate(self.best, self.context.rng))

    def tell(self, proposal, observation):
        if observation.fitness > self.best_fitness:
            self.best, self.best_fitness, self.failures = proposal.architecture, observation.fitness, 0
            return
        self.failures += 1
        if self.failures == 10:
            self.restart()


ALGORITHMS.register(
    Algorithm(
        name="restarting_climber",
        paper="",
        summary="mutates the best; restarts after ten proposals without an improvement",
        searcher=RestartingClimber,
    )
)

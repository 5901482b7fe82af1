"""The standard normal distribution, from SciPy's special functions: to import ``scipy.stats`` takes two seconds."""

from scipy.special import ndtr, ndtri


class Normal:
    """What of ``scipy.stats.norm`` is asked here, with the same figures."""

    @staticmethod
    def cdf(value: float) -> float:
        """Return the share below a value."""
        return float(ndtr(value))

    @staticmethod
    def sf(value: float) -> float:
        """Return the share above a value."""
        return float(ndtr(-value))

    @staticmethod
    def ppf(share: float) -> float:
        """Return the value below which a share lies."""
        return float(ndtri(share))


norm = Normal()

"""The gallery: a row a unit, its most exciting images in order, its index beside the null."""

import numpy as np
import pytest
from made_textures import seen

import neurogeom as ng
from neurogeom.report.gallery import gallery


@pytest.fixture(scope="module")
def index():
    world = seen(300)
    units = np.hstack([world.features[:, :4], np.zeros((300, 1))])
    return ng.features.interpretability(
        ng.from_arrays(units), world.embedding, n_exciting=5, n_null=49
    )


def test_rows_go_from_the_most_interpretable_down_and_show_what_excites(index):
    images = seen(300).images
    figure = gallery(index, images, n=3, n_columns=4)
    assert len(figure.axes) == 3 * 5
    order = np.argsort(-index.estimate.values[:4])[:3]
    names = [figure.axes[5 * i].get_ylabel() for i in range(3)]
    assert [name.split()[0] for name in names] == [str(i) for i in order]
    for row, unit in enumerate(order):
        for column in range(4):
            shown = figure.axes[5 * row + column].images[0].get_array()
            own = images[index.exciting.values[unit, column]]
            assert np.corrcoef(shown.ravel(), own.ravel())[0, 1] == pytest.approx(1.0)


def test_the_index_stands_on_its_null_and_the_number_beside(index):
    figure = gallery(index, seen(300).images, order="neuron", n_columns=1)
    strips = [axis for axis in figure.axes if not axis.images]
    assert len(strips) == 4
    for unit, axis in enumerate(strips):
        value = index.estimate.values[unit]
        assert axis.lines[0].get_xdata()[0] == value
        assert axis.texts[0].get_text() == f"{value:.2f}"
        low, high = np.quantile(index.null.values[:, unit], [0.05, 0.95])
        assert axis.patches[0].get_x() == pytest.approx(low)
        assert axis.patches[0].get_width() == pytest.approx(high - low)
    assert "1 without an estimate" in figure.get_supxlabel()
    assert "at 300 stimuli" in figure.get_supxlabel()


def test_a_star_is_a_corrected_p_of_five_percent(index):
    for p, star in ((0.05, " *"), (0.06, "")):
        own = index.assign(p_corrected=("neuron", np.full(5, p)))
        figure = gallery(own, seen(300).images, order="neuron", n=1, n_columns=1)
        assert figure.axes[0].get_ylabel() == f"0{star}"


def test_it_is_drawn_without_a_null_and_in_colour(tmp_path):
    world = seen(300)
    colour = np.clip(np.repeat(world.images[..., None], 3, axis=3), 0, 1)
    found = ng.features.interpretability(
        ng.from_arrays(world.features[:, :2]), world.embedding, kind="ooo", n_null=0
    )
    figure = gallery(found, dict(enumerate(colour)), n_columns=2)
    figure.savefig(tmp_path / "gallery.png")
    assert (tmp_path / "gallery.png").stat().st_size > 5000
    assert not figure.axes[-1].patches


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda own: gallery(own.drop_attrs(), None), "no result of interpretability"),
        (lambda own: gallery(own, np.zeros((299, 4, 4))), "299 are given for 300"),
        (lambda own: gallery(own, np.zeros((300, 4, 4)), order="best"), "order='best'"),
        (lambda own: gallery(own.isel(neuron=[4]), np.zeros((300, 4, 4))), "no neuron has an est"),
    ],
)
def test_what_cannot_be_shown_is_refused(index, call, message):
    with pytest.raises(ValueError, match=message):
        call(index)

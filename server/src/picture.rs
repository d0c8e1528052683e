//! Pictures: what a file says of itself, and small ones of it.
//!
//! Files come from outside: whatever is in them costs bounded memory, and what cannot be
//! read is no picture.

use std::{
    fs::File,
    io::{BufReader, Cursor, Seek, SeekFrom},
};

use exif::{Exif, In, Tag, Value};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, metadata::Orientation};
use serde_json::{Map, json};
use time::{Date, Month, PrimitiveDateTime, Time};
use tokio::sync::Semaphore;

/// What is in a file is no picture of a known kind, or a broken one, or too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// A picture made here.
#[derive(Debug)]
pub(crate) struct Thumbnail {
    pub(crate) content_type: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// What a picture's file says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Details {
    /// In the service's shape: a JSON object.
    pub(crate) image: String,
    /// When it was taken, in milliseconds since 1970: as if its clock had shown UTC.
    pub(crate) taken: Option<i64>,
}

/// The picture fitted into the box, upright, its sides in proportion, and never larger than
/// it is: as PNG if it has transparent parts, as JPEG if not. Blocking.
pub(crate) fn thumbnail(file: File, width: u32, height: u32) -> Result<Thumbnail, Unreadable> {
    let mut decoder = reader(file)?.into_decoder().map_err(unreadable)?;
    // The library looks at this limit only where it makes the whole way itself.
    if decoder.total_bytes() > MEMORY {
        return Err(Unreadable);
    }
    let orientation = decoder.orientation().map_err(unreadable)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    // First small, then upright: turning needs a second copy.
    let (width, height) = match is_on_its_side(orientation) {
        true => (height, width),
        false => (width, height),
    };
    if picture.width() > width || picture.height() > height {
        picture = picture.thumbnail(width, height);
    }
    picture.apply_orientation(orientation);
    let mut bytes = Cursor::new(Vec::new());
    let (format, content_type) = match picture.color().has_alpha() {
        true => (ImageFormat::Png, "image/png"),
        false => {
            picture = picture.into_rgb8().into();
            (ImageFormat::Jpeg, "image/jpeg")
        }
    };
    picture.write_to(&mut bytes, format).map_err(unreadable)?;
    Ok(Thumbnail {
        content_type,
        bytes: bytes.into_inner(),
    })
}

/// Reads what the picture's head says, and none of its dots. Blocking.
pub(crate) fn details(mut file: File) -> Result<Details, Unreadable> {
    let (width, height) = reader(file.try_clone().map_err(|_| Unreadable)?)?
        .into_dimensions()
        .map_err(unreadable)?;
    file.seek(SeekFrom::Start(0)).map_err(|_| Unreadable)?;
    // Most pictures have none, or a broken one: the sides are known all the same.
    let exif = exif::Reader::new()
        .read_from_container(&mut BufReader::new(file))
        .ok();
    let mut image = Map::new();
    let mut taken = None;
    if let Some(exif) = &exif {
        for (name, tag) in FIELDS {
            if let Some(value) = text(exif, *tag) {
                image.insert((*name).to_owned(), value.into());
            }
        }
        if let Some(place) = place(exif) {
            image.insert("location".to_owned(), place.into());
        }
        taken = exif
            .get_field(Tag::DateTimeOriginal, In::PRIMARY)
            .and_then(date);
    }
    image.insert("width".to_owned(), json!(width));
    image.insert("height".to_owned(), json!(height));
    Ok(Details {
        image: serde_json::Value::Object(image).to_string(),
        taken,
    })
}

fn is_on_its_side(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

fn reader(file: File) -> Result<ImageReader<BufReader<File>>, Unreadable> {
    // Some kinds are read into memory whole, even for their head alone.
    if file.metadata().map_err(|_| Unreadable)?.len() > LARGEST_FILE {
        return Err(Unreadable);
    }
    let mut reader = ImageReader::new(BufReader::new(file))
        .with_guessed_format()
        .map_err(|_| Unreadable)?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST);
    limits.max_image_height = Some(LARGEST);
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    Ok(reader)
}

fn unreadable(_: image::ImageError) -> Unreadable {
    Unreadable
}

/// The field as the service wrote it: texts and fractions as they are, all else as a
/// number. No control characters, and not without end.
fn text(exif: &Exif, tag: Tag) -> Option<String> {
    let field = exif.get_field(tag, In::PRIMARY)?;
    if matches!(
        tag,
        Tag::DateTime | Tag::DateTimeOriginal | Tag::DateTimeDigitized
    ) {
        return date(field).map(crate::clock::iso8601);
    }
    let text = match &field.value {
        Value::Ascii(texts) => String::from_utf8_lossy(texts.first()?).into_owned(),
        Value::Rational(values) => {
            let value = values.first()?;
            format!("{}/{}", value.num, value.denom)
        }
        Value::SRational(values) => {
            let value = values.first()?;
            format!("{}/{}", value.num, value.denom)
        }
        value => value.get_uint(0)?.to_string(),
    };
    let text = text.trim_matches(['\0', ' ']);
    let text: String = text
        .chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST)
        .collect();
    (!text.is_empty()).then_some(text)
}

/// `latitude,longitude` in degrees, south and west negative.
fn place(exif: &Exif) -> Option<String> {
    let degrees = |value, reference, negative: u8| {
        let Value::Rational(parts) = &exif.get_field(value, In::PRIMARY)?.value else {
            return None;
        };
        let [degrees, minutes, seconds] = parts.get(..3)? else {
            return None;
        };
        let degrees = degrees.to_f64() + minutes.to_f64() / 60.0 + seconds.to_f64() / 3600.0;
        let Value::Ascii(letters) = &exif.get_field(reference, In::PRIMARY)?.value else {
            return None;
        };
        let sign = match letters.first()?.first()? == &negative {
            true => -1.0,
            false => 1.0,
        };
        degrees.is_finite().then_some(sign * degrees)
    };
    let latitude = degrees(Tag::GPSLatitude, Tag::GPSLatitudeRef, b'S')?;
    let longitude = degrees(Tag::GPSLongitude, Tag::GPSLongitudeRef, b'W')?;
    Some(format!("{latitude:.6},{longitude:.6}"))
}

/// A camera's time, which does not say of which zone it is.
fn date(field: &exif::Field) -> Option<i64> {
    let Value::Ascii(texts) = &field.value else {
        return None;
    };
    let date = exif::DateTime::from_ascii(texts.first()?).ok()?;
    let month = Month::try_from(date.month).ok()?;
    let day = Date::from_calendar_date(date.year.into(), month, date.day).ok()?;
    let time = Time::from_hms(date.hour, date.minute, date.second).ok()?;
    let seconds = PrimitiveDateTime::new(day, time)
        .assume_utc()
        .unix_timestamp();
    seconds.checked_mul(1000)
}

/// The service's fields that have one of a picture's file to be read from.
const FIELDS: &[(&str, Tag)] = &[
    ("make", Tag::Make),
    ("model", Tag::Model),
    ("exposureTime", Tag::ExposureTime),
    ("dateTimeOriginal", Tag::DateTimeOriginal),
    ("flash", Tag::Flash),
    ("focalLength", Tag::FocalLength),
    ("dateTime", Tag::DateTime),
    ("dateTimeDigitized", Tag::DateTimeDigitized),
    ("software", Tag::Software),
    ("orientation", Tag::Orientation),
    ("colorSpace", Tag::ColorSpace),
    ("meteringMode", Tag::MeteringMode),
    ("exposureProgram", Tag::ExposureProgram),
    ("exposureMode", Tag::ExposureMode),
    ("whiteBalance", Tag::WhiteBalance),
    ("sensingMethod", Tag::SensingMethod),
    ("xResolution", Tag::XResolution),
    ("yResolution", Tag::YResolution),
    ("resolutionUnit", Tag::ResolutionUnit),
    ("apertureValue", Tag::ApertureValue),
    ("isoSpeedRatings", Tag::PhotographicSensitivity),
    ("sharpness", Tag::Sharpness),
];

/// Dots of a side.
const LARGEST: u32 = 30_000;

/// Bytes that a picture's dots may take: 50 million of 3 bytes.
const MEMORY: u64 = 150 << 20;

/// Bytes of a file that is looked at as a picture.
const LARGEST_FILE: u64 = 32 << 20;

/// Pictures that are looked at or made small at once, each within the limits above. The
/// permit goes along with the work: a client that hangs up does not end it.
pub(crate) static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// Characters of one field.
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use image::{GenericImageView, Rgb, RgbImage, Rgba, RgbaImage};

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file
    }

    fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn wide() -> RgbImage {
        RgbImage::from_pixel(400, 100, Rgb([200, 10, 10]))
    }

    /// A JPEG with a camera's name, a time and an orientation in front.
    fn photo() -> Vec<u8> {
        let field = |tag, value| exif::Field {
            tag,
            ifd_num: In::PRIMARY,
            value,
        };
        let ascii = |text: &str| Value::Ascii(vec![text.as_bytes().to_vec()]);
        let rational = |num, denom| exif::Rational { num, denom };
        let fields = [
            field(Tag::Make, ascii("ACME\0\0")),
            field(Tag::Model, ascii("X\u{7}100")),
            field(Tag::Orientation, Value::Short(vec![6])),
            field(Tag::DateTimeOriginal, ascii("2016:04:01 18:20:05")),
            field(Tag::ExposureTime, Value::Rational(vec![rational(1, 250)])),
            field(
                Tag::GPSLatitude,
                Value::Rational(vec![rational(47, 1), rational(30, 1), rational(0, 1)]),
            ),
            field(Tag::GPSLatitudeRef, ascii("N")),
            field(
                Tag::GPSLongitude,
                Value::Rational(vec![rational(8, 1), rational(15, 1), rational(36, 1)]),
            ),
            field(Tag::GPSLongitudeRef, ascii("W")),
        ];
        let mut writer = exif::experimental::Writer::new();
        for field in &fields {
            writer.push_field(field);
        }
        let mut exif = Cursor::new(b"Exif\0\0".to_vec());
        let mut body = Cursor::new(Vec::new());
        writer.write(&mut body, false).unwrap();
        exif.get_mut().extend(body.into_inner());
        let exif = exif.into_inner();
        let jpeg = encoded(wide(), ImageFormat::Jpeg);
        let mut photo = jpeg[..2].to_vec();
        photo.extend([0xff, 0xe1]);
        photo.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
        photo.extend(exif);
        photo.extend(&jpeg[2..]);
        photo
    }

    fn decoded(thumbnail: &Thumbnail) -> DynamicImage {
        image::load_from_memory(&thumbnail.bytes).unwrap()
    }

    #[test]
    fn picture_is_fitted_into_the_box_and_never_enlarged() {
        for format in [
            ImageFormat::Jpeg,
            ImageFormat::Png,
            ImageFormat::Bmp,
            ImageFormat::Gif,
            ImageFormat::Tiff,
            ImageFormat::WebP,
        ] {
            // GIF has transparent parts or may have.
            let bytes = encoded(wide(), format);
            let small = decoded(&thumbnail(file(&bytes), 200, 200).unwrap());
            assert_eq!(small.dimensions(), (200, 50), "{format:?}");
            let whole = decoded(&thumbnail(file(&bytes), 5000, 5000).unwrap());
            assert_eq!(whole.dimensions(), (400, 100), "{format:?}");
        }
    }

    #[test]
    fn transparent_stays_transparent() {
        let picture = RgbaImage::from_pixel(10, 10, Rgba([1, 2, 3, 0]));
        let made = thumbnail(file(&encoded(picture, ImageFormat::Png)), 5, 5).unwrap();
        assert_eq!(made.content_type, "image/png");
        assert_eq!(decoded(&made).get_pixel(0, 0)[3], 0);
    }

    #[test]
    fn photo_tells_of_itself_and_is_turned_upright() {
        let made = thumbnail(file(&photo()), 200, 200).unwrap();
        assert_eq!(decoded(&made).dimensions(), (50, 200));
        let details = details(file(&photo())).unwrap();
        assert_eq!(
            details.taken,
            crate::clock::parse("2016-04-01T18:20:05.000Z")
        );
        let image: serde_json::Value = serde_json::from_str(&details.image).unwrap();
        assert_eq!(
            image,
            json!({
                "make": "ACME",
                "model": "X100",
                "orientation": "6",
                "dateTimeOriginal": "2016-04-01T18:20:05.000Z",
                "exposureTime": "1/250",
                "location": "47.500000,-8.260000",
                "width": 400,
                "height": 100,
            })
        );
    }

    #[test]
    fn what_is_no_picture_is_refused_and_bombs_do_not_go_off() {
        // A whole picture of few bytes that takes many: it could be read.
        let bomb = image::GrayImage::new(13_000, 13_000);
        let bomb = encoded(bomb, ImageFormat::Png);
        assert!(bomb.len() < 1 << 20);
        assert!(image::load_from_memory(&bomb).is_ok());
        let half = photo();
        for bytes in [
            &b""[..],
            b"hello",
            b"\x89PNG\r\n\x1a\n",
            &bomb,
            &half[..300],
        ] {
            assert_eq!(thumbnail(file(bytes), 10, 10).unwrap_err(), Unreadable);
        }
        assert_eq!(details(file(b"hello")).unwrap_err(), Unreadable);
    }

    #[test]
    fn large_file_is_not_read() {
        let mut large = photo();
        let whole = file(&large);
        assert!(details(whole).is_ok());
        large.resize(LARGEST_FILE as usize + 1, 0);
        assert_eq!(details(file(&large)).unwrap_err(), Unreadable);
        assert_eq!(thumbnail(file(&large), 9, 9).unwrap_err(), Unreadable);
    }
}
